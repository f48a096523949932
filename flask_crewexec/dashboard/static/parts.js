// The parts of a page, or of an element, that the server renders and that change while it is shown:
// the elements with "data-part" below a root. A part is replaced only if it has changed, and then
// keeps what the reader has opened, fetched, ticked, scrolled and focused.

export class Parts {
  #root;
  #tree; // the document, or the shadow tree
  #shown; // contents by id

  constructor(root) {
    this.#root = root;
    this.#tree = root.getRootNode();
    this.#shown = new Map(partsOf(root).map((part) => [part.id, content(part)]));
  }

  // Show what a new root has.
  update(fresh) {
    Object.assign(this.#root.dataset, fresh.dataset);
    const known = new Map(partsOf(this.#root).map((part) => [part.id, part]));
    let previous = null;
    for (const part of partsOf(fresh)) {
      const old = known.get(part.id);
      known.delete(part.id);
      previous = this.#place(part, old, previous);
    }
    for (const gone of known.values()) {
      this.#shown.delete(gone.id);
      gone.remove();
    }
  }

  // Inserts or replaces a part unless it is unchanged, and returns the part that is shown.
  #place(part, old, previous) {
    const current = content(part);
    if (old && this.#shown.get(part.id) === current) {
      renewTokens(old, part);
      return old;
    }
    if (old && this.#isSelected(old)) return old;
    this.#shown.set(part.id, current);
    const fresh = document.adoptNode(part);
    if (old) this.#replace(old, fresh);
    else if (previous) previous.after(fresh);
    else this.#root.prepend(fresh);
    return fresh;
  }

  #isSelected(element) {
    const selection = this.#tree.getSelection?.() ?? getSelection();
    return !selection.isCollapsed && element.contains(selection.anchorNode);
  }

  #replace(old, fresh) {
    const opened = [...old.querySelectorAll("details[open][id]")].map((element) => element.id);
    const scrolled = [...old.querySelectorAll(".scroll[id]")]
      .map((element) => [element.id, element.scrollLeft, element.scrollTop]);
    const ticked = [...old.querySelectorAll("input[type=checkbox][id]:checked")];
    const active = this.#tree.activeElement;
    const focused = old.contains(active) ? focusId(active) : null;
    moveFetched(old, fresh);
    old.replaceWith(fresh);
    for (const id of opened) {
      const element = this.#find(id);
      if (element) element.open = true;
    }
    for (const { id } of ticked) {
      const element = this.#find(id);
      if (element) element.checked = true;
    }
    for (const [id, left, top] of scrolled) this.#find(id)?.scrollTo(left, top);
    if (focused) this.#refocus(focused);
  }

  #refocus({ id, isSummary }) {
    const element = id ? this.#find(id) : null;
    const target = isSummary && element ? element.querySelector("summary") : element;
    (target || this.#find("main") || this.#root).focus({ preventScroll: true });
  }

  #find(id) {
    return this.#tree.getElementById(id);
  }
}

function partsOf(element) {
  return [...element.querySelectorAll("[data-part]")];
}

function secrets(element) {
  return [...element.querySelectorAll("input[type=hidden]")];
}

// The visible content of a part, without the tokens of forms, which differ each time.
function content(part) {
  const copy = part.cloneNode(true);
  for (const input of secrets(copy)) input.remove();
  return copy.outerHTML;
}

// The tokens of forms expire, also in parts that do not change.
function renewTokens(old, part) {
  const fresh = secrets(part);
  secrets(old).forEach((input, index) => { input.value = fresh[index].value; });
}

function moveFetched(old, fresh) {
  for (const fetched of old.querySelectorAll("[data-fetched]")) {
    const place = fresh.querySelector(`#${fetched.id}`);
    if (place && !fresh.contains(fetched)) place.replaceWith(fetched);
  }
}

function focusId(element) {
  const isSummary = element.localName === "summary";
  return { id: (isSummary ? element.parentElement : element).id, isSummary };
}
