// Asks before a decision discards what somebody has written into the other form of a request.

// Watch the forms below a document or a shadow tree.
export function watchEdits(tree, options = {}) {
  tree.addEventListener("submit", ask, { capture: true, ...options });
}

function ask(event) {
  const { target: form, submitter } = event;
  if (submitter?.name !== "decision" || !formsBeside(form).some(isEdited)) return;
  const question = `“${submitter.textContent}” does not use what you have written into the other`
    + " form of this request. Discard that?";
  if (confirm(question)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

function formsBeside(form) {
  return [...form.closest("section").querySelectorAll("form")].filter((other) => other !== form);
}

// A form that was refused is shown with what was entered as its defaults.
function isEdited(form) {
  return form.dataset.entered === "yes" || [...form.elements].some(isChanged);
}

function isChanged(field) {
  if (field.type === "checkbox" || field.type === "hidden") return false; // confirmations, tokens
  if (field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.options) return [...field.options].some((each) => each.selected !== each.defaultSelected);
  return field.defaultValue !== undefined && field.value !== field.defaultValue;
}
