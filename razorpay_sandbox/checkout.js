/* Defines window.Razorpay like Razorpay's own checkout.js, for a shop that runs on the sandbox. */
(function () {
  "use strict";

  var script = document.currentScript;
  var sandboxOrigin = new URL(script.src).origin;
  var source = "razorpay-sandbox";

  function style(element, properties) {
    // Set one by one: a style attribute would be refused by a strict content security policy.
    Object.keys(properties).forEach(function (name) {
      element.style.setProperty(name, properties[name]);
    });
  }

  function Razorpay(options) {
    if (!(this instanceof Razorpay)) {
      return new Razorpay(options);
    }
    if (!options || !options.key) {
      throw new Error("No key passed");
    }
    this.options = options;
    this._listeners = {};
    this._overlay = null;
  }

  Razorpay.prototype.on = function (name, listener) {
    (this._listeners[name] = this._listeners[name] || []).push(listener);
    return this;
  };

  Razorpay.prototype._emit = function (name, payload) {
    (this._listeners[name] || []).forEach(function (listener) {
      listener(payload);
    });
  };

  Razorpay.prototype._address = function () {
    var options = this.options;
    var prefill = options.prefill || {};
    var modal = options.modal || {};
    var retry = options.retry;
    var retryOff = retry === false || (retry && retry.enabled === false);
    var values = {
      order_id: options.order_id,
      key_id: options.key,
      name: options.name,
      description: options.description,
      contact: prefill.contact,
      email: prefill.email,
      color: options.theme && options.theme.color,
      escape: modal.escape === false ? "false" : "",
      retry: retryOff ? "false" : "",
      origin: window.location.origin,
    };
    var query = new URLSearchParams();
    Object.keys(values).forEach(function (name) {
      if (values[name]) {
        query.set(name, values[name]);
      }
    });
    return sandboxOrigin + "/checkout?" + query.toString();
  };

  Razorpay.prototype.open = function () {
    var self = this;
    if (self._overlay) {
      return;
    }
    var overlay = document.createElement("div");
    overlay.className = "razorpay-container";
    overlay.setAttribute("role", "dialog");
    overlay.setAttribute("aria-modal", "true");
    overlay.setAttribute("aria-label", "Payment");
    style(overlay, {
      position: "fixed",
      inset: "0",
      "z-index": "2147483647",
      background: "rgba(10, 14, 28, 0.62)",
    });
    var frame = document.createElement("iframe");
    frame.className = "razorpay-checkout-frame";
    frame.title = "Razorpay Checkout (sandbox)";
    frame.src = self._address();
    style(frame, {
      border: "0",
      width: "100%",
      height: "100%",
      display: "block",
      background: "transparent",
      // A frame of another colour scheme than its page is painted opaque.
      "color-scheme": "light",
    });
    overlay.appendChild(frame);

    self._overlay = overlay;
    self._frame = frame;
    self._focused = document.activeElement;
    self._scroll = document.documentElement.style.overflow;
    self._onMessage = function (event) {
      if (event.origin !== sandboxOrigin || event.source !== frame.contentWindow) {
        return;
      }
      if (event.data && event.data.source === source) {
        self._receive(event.data.type, event.data.payload);
      }
    };
    self._onFocus = function (event) {
      if (!overlay.contains(event.target)) {
        frame.focus();
      }
    };
    self._onKey = function (event) {
      if (event.key === "Escape" && !(self.options.modal && self.options.modal.escape === false)) {
        event.preventDefault();
        self._receive("dismiss");
      }
    };
    window.addEventListener("message", self._onMessage);
    document.addEventListener("focusin", self._onFocus);
    document.addEventListener("keydown", self._onKey);
    frame.addEventListener("load", function () {
      frame.focus();
    });
    document.documentElement.style.overflow = "hidden";
    document.body.appendChild(overlay);
    frame.focus();
  };

  Razorpay.prototype.close = function () {
    if (!this._overlay) {
      return;
    }
    window.removeEventListener("message", this._onMessage);
    document.removeEventListener("focusin", this._onFocus);
    document.removeEventListener("keydown", this._onKey);
    this._overlay.remove();
    this._overlay = this._frame = null;
    document.documentElement.style.overflow = this._scroll;
    if (this._focused && this._focused.focus) {
      this._focused.focus();
    }
  };

  Razorpay.prototype._receive = function (type, payload) {
    var modal = this.options.modal || {};
    if (type === "success") {
      this.close();
      if (this.options.handler) {
        this.options.handler(payload);
      }
    } else if (type === "failed") {
      // As with Razorpay, Checkout stays open so that the customer can try again.
      this._emit("payment.failed", payload);
    } else if (type === "dismiss") {
      this.close();
      if (modal.ondismiss) {
        modal.ondismiss();
      }
    } else if (type === "close") {
      // A lost reply: the shop's page hears nothing, as if the browser had been closed.
      this.close();
    }
  };

  window.Razorpay = Razorpay;
})();
