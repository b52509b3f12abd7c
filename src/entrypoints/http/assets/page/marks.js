// The marks `[n]` of an answer become buttons that show the source they cite.
const LETTER = /(?![\p{sc=Han}\p{sc=Hira}\p{sc=Kana}])[\p{L}\p{N}_]/u; // behind one `[n]` is no mark: a[3]
const MARK = new RegExp(`(?<!${LETTER.source})\\[(\\d{1,3})\\]`, "gu");

export function linkMarks(body, isSource, show) {
  const texts = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    if (!texts.currentNode.parentElement.closest("code")) found.push(texts.currentNode);
  }
  for (const text of found) {
    const parts = [];
    let from = 0;
    for (const { 0: all, 1: digits, index } of text.data.matchAll(MARK)) {
      const n = Number(digits);
      if (!isSource(n)) continue;
      parts.push(text.data.slice(from, index), button(all, () => show(n)));
      from = index + all.length;
    }
    if (parts.length) text.replaceWith(...parts, text.data.slice(from));
  }
}

function button(label, pressed) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "link";
  made.textContent = label;
  made.addEventListener("click", pressed);
  return made;
}
