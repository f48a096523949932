// Fetches lists of calls, and what was said in a call, when the reader opens them, and keeps the
// open ones up to date. Without this file, links lead to pages that show the same.
(() => {
  "use strict";

  const TIMEOUT = 20000; // ms for one response
  const FLASH = 2000; // ms for which a button says what it has done
  const announcement = document.getElementById("announcement");

  // A section that can be opened has "data-source": the page whose "data-fragment" it shows.
  async function fetchFragment(address) {
    const signal = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(address, { credentials: "same-origin", signal });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fragment = page.querySelector("[data-fragment]");
    if (!response.ok || !fragment) throw new Error(response.statusText);
    return document.adoptNode(fragment);
  }

  function bodyOf(section) {
    return section.querySelector(":scope > .fetched");
  }

  async function load(section) {
    const body = bodyOf(section);
    if (section.dataset.loading) return;
    section.dataset.loading = "yes";
    body.setAttribute("aria-busy", "true");
    if (!body.dataset.fetched) say(body, "Loading…");
    try {
      const fragment = await fetchFragment(section.dataset.source);
      body.replaceChildren(fragment);
      body.dataset.fetched = "yes";
      equip(fragment);
    } catch {
      sayThatItFailed(section, body);
    } finally {
      delete section.dataset.loading;
      body.removeAttribute("aria-busy");
    }
  }

  // What the server has put there is a link to the page, which stays.
  function say(body, text) {
    let line = body.querySelector(":scope > .loading");
    if (!line) {
      line = document.createElement("p");
      line.className = "loading quiet";
      line.setAttribute("role", "status");
      body.prepend(line);
    }
    line.textContent = text;
  }

  function sayThatItFailed(section, body) {
    if (!body.dataset.fetched) say(body, "This could not be loaded. Close and open it to try again.");
  }

  document.addEventListener("toggle", (event) => {
    const section = event.target;
    if (!section.open || !section.dataset.source) return;
    if (!bodyOf(section).dataset.fetched) load(section);
  }, true);

  // The calls that are new, and those that have ended since.
  async function renew(list) {
    if (list.dataset.renewing) return;
    list.dataset.renewing = "yes";
    try {
      merge(list, await fetchFragment(after(list, lastSettled(list))));
    } catch {
      // The next update tries again.
    } finally {
      delete list.dataset.renewing;
    }
  }

  function after(list, number) {
    const address = new URL(list.dataset.list, location.href);
    if (number) address.searchParams.set("after", number);
    return address;
  }

  // The number of the last call before which all have ended.
  function lastSettled(list) {
    const open = list.querySelector(".call[data-ended=no]");
    const call = open ? open.previousElementSibling : list.querySelector(".calls").lastElementChild;
    return call ? call.dataset.number : 0;
  }

  function merge(list, fresh, { isNextPage = false } = {}) {
    const shown = list.querySelector(".calls");
    const hasMore = list.querySelector(":scope > .paging") !== null;
    for (const call of [...fresh.querySelectorAll(".call")]) {
      const known = document.getElementById(call.id);
      if (known) replaceCall(known, call);
      else if (isNextPage || !hasMore) shown.append(call);
    }
    if (shown.children.length) list.querySelectorAll(":scope > .nothing").forEach((e) => e.remove());
    if (isNextPage || !hasMore) replacePaging(list, fresh);
    list.dataset.live = fresh.dataset.live;
  }

  function replaceCall(known, call) {
    const [old, fresh] = [known, call].map((element) => element.querySelector("summary"));
    if (old.innerHTML === fresh.innerHTML) return;
    old.replaceChildren(...fresh.childNodes);
    known.dataset.ended = call.dataset.ended;
    const section = known.querySelector("details");
    if (section.open) load(section);
    else delete bodyOf(section).dataset.fetched;
  }

  function replacePaging(list, fresh) {
    const [old, next] = [list, fresh].map((element) => element.querySelector(":scope > .paging"));
    if (old) old.remove();
    if (next) list.append(next);
  }

  document.addEventListener("crewexec:updated", () => {
    for (const list of document.querySelectorAll("details[open] > .fetched > [data-live=yes]")) {
      renew(list);
    }
  });

  async function showMore(link) {
    const list = link.closest("[data-list]");
    const last = list.querySelector(".calls").lastElementChild;
    try {
      merge(list, await fetchFragment(link.href), { isNextPage: true });
      last.nextElementSibling.querySelector("summary").focus();
    } catch {
      location.assign(link.href);
    }
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-list] > .paging > a[rel=next]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    showMore(link);
  });

  // Long texts are bounded until the reader wants all of them, and each can be copied.
  function equip(element) {
    for (const text of element.querySelectorAll("[data-text]")) {
      const head = text.parentElement.querySelector(".text-head");
      if (text.scrollHeight > text.clientHeight + 1) head.append(showAllButton(text));
      head.append(copyButton(text));
    }
  }

  function button(text, name, label, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "plain small";
    made.id = `${text.id}-${name}`;
    made.textContent = label;
    made.setAttribute("aria-describedby", `${text.id}-title`);
    made.addEventListener("click", () => act(made));
    return made;
  }

  function showAllButton(text) {
    const made = button(text, "all", "Show all", (pressed) => {
      const isWhole = text.classList.toggle("whole");
      pressed.textContent = isWhole ? "Show less" : "Show all";
      pressed.setAttribute("aria-expanded", String(isWhole));
    });
    made.setAttribute("aria-expanded", "false");
    made.setAttribute("aria-controls", text.id);
    return made;
  }

  function copyButton(text) {
    return button(text, "copy", "Copy", async (pressed) => {
      const isCopied = await copy(text);
      pressed.textContent = isCopied ? "Copied" : "Not copied";
      announcement.textContent = isCopied ? "Copied to the clipboard." : "It could not be copied.";
      setTimeout(() => { pressed.textContent = "Copy"; }, FLASH);
    });
  }

  // Browsers offer their clipboard only to pages that came over HTTPS, or from this machine.
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text.textContent);
      return true;
    } catch {
      return copySelected(text);
    }
  }

  function copySelected(text) {
    const selection = getSelection();
    selection.selectAllChildren(text);
    const isCopied = document.execCommand("copy");
    selection.removeAllRanges();
    return isCopied;
  }

  equip(document);
})();
