// Small helps on top of pages that work without them. No library, nothing inline (CSP).
(function () {
  "use strict";

  var live = function (text) {
    var region = document.getElementById("live");
    if (region) region.textContent = text;
  };

  // A form is sent once. The form's own key protects the money on the server; this only spares the
  // customer a second look at the same page.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.matches("form[data-once]") || event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    var pressed = event.submitter;
    // After this turn, so that the pressed button's own name and value are still sent.
    setTimeout(function () {
      form.querySelectorAll("button").forEach(function (button) {
        button.disabled = true;
        if (button === pressed && button.dataset.busy) {
          button.dataset.label = button.textContent;
          button.textContent = button.dataset.busy;
        }
      });
    });
  });

  // Coming back by the browser's back button shows the page as it was left: buttons disabled.
  window.addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    document.querySelectorAll("form[data-sent]").forEach(function (form) {
      delete form.dataset.sent;
      form.querySelectorAll("button").forEach(function (button) {
        button.disabled = "waiting" in button.dataset;
        if (button.dataset.label) button.textContent = button.dataset.label;
      });
    });
  });

  // A page with a login on it is not left behind in the browser's back-and-forward cache.
  window.addEventListener("pagehide", function () {
    var box = document.querySelector(".credentials");
    if (box) box.textContent = "";
  });
  window.addEventListener("pageshow", function (event) {
    if (event.persisted && document.querySelector(".credentials:empty")) window.location.reload();
  });

  var copied = function (button) {
    var label = button.dataset.label || button.textContent;
    button.dataset.label = label;
    button.textContent = button.dataset.done || label;
    live(button.textContent);
    setTimeout(function () { button.textContent = label; }, 2000);
  };

  // The Clipboard API needs https or localhost; elsewhere the value is selected for the hand.
  var copy = function (button) {
    var source = document.getElementById(button.dataset.copy);
    if (!source) return;
    var select = function () {
      var range = document.createRange();
      range.selectNodeContents(source);
      var selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
    };
    if (!navigator.clipboard) {
      select();
      return;
    }
    navigator.clipboard.writeText(source.innerText.trim()).then(function () { copied(button); }, select);
  };

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy], [data-hide]");
    if (button && button.dataset.copy) copy(button);
    // The link leads to the page without the login; the words are gone before it answers.
    if (button && button.dataset.hide) {
      var box = document.getElementById(button.dataset.hide);
      if (box) box.querySelectorAll("code").forEach(function (word) { word.textContent = "••••••"; });
    }
    // An open menu closes when something else is pressed.
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });

  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });

  // "Send again" waits out the server's cooldown; the server checks it all the same.
  document.querySelectorAll("button[data-countdown]").forEach(function (button) {
    var ends = Date.now() + Number(button.dataset.countdown) * 1000;
    var label = button.textContent;
    var note = button.form && button.form.querySelector("[data-countdown-text]");
    button.disabled = true;
    button.dataset.waiting = "";
    if (note) note.hidden = true;
    var timer = setInterval(tick, 500);
    function tick() {
      var left = Math.ceil((ends - Date.now()) / 1000);
      if (left > 0) {
        button.textContent = button.dataset.wait.replace("{s}", left);
        return;
      }
      clearInterval(timer);
      delete button.dataset.waiting;
      button.disabled = false;
      button.textContent = label;
    }
    tick();
  });

  // htmx. A reply without the wanted part is another page (the log-in, a refusal): go and see it.
  document.addEventListener("htmx:beforeSwap", function (event) {
    var target = event.detail.target;
    if (target && target.id && event.detail.serverResponse.indexOf('id="' + target.id + '"') < 0) {
      event.detail.shouldSwap = false;
      window.location.reload();
    }
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    var part = event.detail.target && document.getElementById(event.detail.target.id);
    if (!part) return;
    if (part.dataset.live) live(part.dataset.live);
    if (part.hasAttribute("data-focus")) part.focus();
  });
  ["htmx:responseError", "htmx:sendError"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      var box = document.getElementById("request-error");
      if (!box) {
        box = document.createElement("p");
        box.id = "request-error";
        box.className = "notice is-error";
        box.setAttribute("role", "alert");
        event.detail.elt.after(box);
      }
      box.textContent = document.body.dataset.unreached;
    });
  });
})();
