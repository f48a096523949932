// Keeps a page of the dashboard up to date. The pages also work without this file.

import { watchEdits } from "./edits.js";
import { LiveView } from "./live_view.js";

const root = document.getElementById("live");
const connection = document.getElementById("connection");

function showConnection(text) {
  if (connection.textContent !== text) connection.textContent = text;
}

function onUpdate(page) {
  const { title, icon } = root.dataset;
  if (title) showStatus(title, icon);
  updateCount(page.getElementById("inbox-count"));
}

// Shows the status where it is seen from other tabs.
function showStatus(title, icon) {
  document.title = title;
  const link = document.getElementById("icon");
  if (link && link.getAttribute("href") !== icon) link.setAttribute("href", icon);
}

// Parts of pages have no navigation.
function updateCount(fresh) {
  const count = document.getElementById("inbox-count");
  if (count && fresh) count.replaceWith(document.adoptNode(fresh));
}

watchEdits(document);
if (root && root.dataset.source) new LiveView(root, { onUpdate, showConnection }).start();
