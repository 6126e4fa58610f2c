// Applies the reader's choice of theme before the first paint.
try {
  var t = localStorage.getItem("bellwether.theme");
  if (t === "light" || t === "dark") document.documentElement.dataset.theme = t;
} catch (e) {}
