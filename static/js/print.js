// The page prints by the browser's own menu too; this only saves the way there.
document.addEventListener("click", function (event) {
  "use strict";
  if (event.target.closest("[data-print]")) window.print();
});
