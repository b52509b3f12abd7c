// Where an answer comes from: documents, pages, and the words that were read there.
export function sourcesList(sources) {
  const box = document.createElement("details");
  const summary = document.createElement("summary");
  const list = document.createElement("ol");
  box.className = "sources";
  summary.textContent = sources.length === 1 ? "1 source" : `${sources.length} sources`;
  list.append(...sources.map(source));
  box.append(summary, list);
  return box;
}

export function showSource(box, n) {
  box.open = true;
  box.querySelector(`li[value="${n}"]`)?.scrollIntoView({ block: "nearest" });
}

function source({ n, filename, page, snippet }) {
  const item = document.createElement("li");
  const name = document.createElement("cite");
  const words = document.createElement("blockquote");
  item.value = n;
  name.textContent = page == null ? filename : `${filename}, page ${page}`;
  words.textContent = snippet;
  item.append(name, words);
  return item;
}
