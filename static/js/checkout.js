// Opens Razorpay's checkout (or the sandbox, which speaks the same API) for one top-up and hands
// its signed answer to the callback form. The amount and the order come from the server; what the
// browser says is verified there again.
(function () {
  "use strict";

  var button = document.getElementById("checkout-pay");
  var data = document.getElementById("checkout-data");
  var form = document.getElementById("checkout-callback");
  var message = document.getElementById("checkout-message");
  if (!button || !data || !form || !message) return;

  var label = button.textContent;
  var paid = false;

  var say = function (text) {
    message.textContent = text;
    message.hidden = !text;
  };
  var usable = function (text) {
    button.disabled = false;
    button.textContent = label;
    say(text);
  };

  var succeed = function (response) {
    paid = true;
    ["razorpay_payment_id", "razorpay_order_id", "razorpay_signature"].forEach(function (name) {
      form.elements[name].value = response[name] || "";
    });
    button.disabled = true;
    button.textContent = button.dataset.confirming;
    say("");
    form.submit();
  };

  var open = function () {
    if (paid) return;
    if (typeof window.Razorpay !== "function") {
      usable(button.dataset.unavailable);
      return;
    }
    var options = JSON.parse(data.textContent);
    var refused = "";
    options.handler = succeed;
    options.modal = {
      // Razorpay keeps its window open after a refused payment; the reason is told when it closes.
      ondismiss: function () {
        if (!paid) usable(refused || button.dataset.dismissed);
      },
    };
    say("");
    button.disabled = true;
    try {
      var checkout = new window.Razorpay(options);
      checkout.on("payment.failed", function (response) {
        var reason = response && response.error && response.error.description;
        refused = button.dataset.failed + (reason ? " " + reason : "");
        usable(refused);
      });
      checkout.open();
    } catch (error) {
      usable(button.dataset.unavailable);
    }
  };

  button.addEventListener("click", open);
  window.addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    paid = false;
    usable("");
  });

  // By itself once per top-up; a reload or the way back leaves the decision to the customer.
  var mark = "checkout:" + button.dataset.reference;
  var seen = true;
  try {
    seen = window.sessionStorage.getItem(mark) === "opened";
    window.sessionStorage.setItem(mark, "opened");
  } catch (error) {
    // Storage may be forbidden: then the button alone opens it.
  }
  if (!seen) open();
})();
