// Helps to select executions of the list: all on the page without loading it again, and how many.
(() => {
  "use strict";

  const form = document.getElementById("selection");
  if (!form) return;

  const toggle = document.getElementById("select-page");
  const label = document.getElementById("selected");
  const [selected] = form.elements.scope;
  toggle.setAttribute("role", "button");

  function boxes() {
    return [...document.querySelectorAll("input[name=ids]")];
  }

  function update() {
    const all = boxes();
    const count = all.filter((box) => box.checked).length;
    label.textContent = count ? `${count} selected` : "Selected";
    toggle.textContent = count && count === all.length ? "Select none" : "Select all on this page";
  }

  function toggleAll() {
    const all = boxes();
    const isChecked = !all.every((box) => box.checked);
    for (const box of all) box.checked = isChecked;
    selected.checked = true;
    update();
  }

  toggle.addEventListener("click", (event) => {
    event.preventDefault();
    toggleAll();
  });
  toggle.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggleAll();
  });
  document.addEventListener("change", ({ target }) => {
    if (target.name !== "ids") return;
    selected.checked = true;
    update();
  });
  document.addEventListener("crewexec:updated", update);
  addEventListener("pageshow", update); // browsers restore what was ticked
  update();
})();
