// The part of Markdown that tutors write, as elements. What a model says is never taken for HTML: every letter
// of it becomes text, and addresses do not become links.
const BLOCK = /^(?:(#{1,6}) +(.*)|[-*+] +(.*)|\d+[.)] +(.*)|(```).*|> ?(.*))$/;
const INLINE = /(`+)(.+?)\1|\*\*(.+?)\*\*|__(.+?)__|\*(\S(?:.*?\S)?)\*/g;

export function rendered(text) {
  const fragment = document.createDocumentFragment();
  const lines = text.split("\n");
  while (lines.length) fragment.append(...block(lines));
  return fragment;
}

// Takes the lines of the next block, and gives its elements.
function block(lines) {
  const line = lines.shift();
  if (!line.trim()) return [];
  const [, marks, heading, bullet, numbered, fence, quoted] = BLOCK.exec(line.trim()) ?? [];
  if (fence) return [code(lines)];
  if (marks) return [element("h4", inline(heading))];
  if (bullet !== undefined) return [list("ul", 3, bullet, lines)];
  if (numbered !== undefined) {
    const ordered = list("ol", 4, numbered, lines);
    ordered.start = parseInt(line.trim(), 10);
    return [ordered];
  }
  if (quoted !== undefined) return [element("blockquote", inline(quoted))];
  const taken = [line];
  while (lines.length && lines[0].trim() && !BLOCK.test(lines[0].trim())) taken.push(lines.shift());
  return [element("p", taken.flatMap((each, n) => [...(n ? [element("br", [])] : []), ...inline(each)]))];
}

function code(lines) {
  const end = lines.findIndex((line) => line.trim().startsWith("```"));
  const taken = lines.splice(0, end < 0 ? lines.length : end + 1);
  return element("pre", [element("code", [taken.slice(0, end < 0 ? taken.length : -1).join("\n")])]);
}

function list(kind, group, first, lines) {
  const items = [element("li", inline(first))];
  for (let next; lines.length && (next = BLOCK.exec(lines[0].trim())?.[group]) !== undefined; lines.shift()) {
    items.push(element("li", inline(next)));
  }
  return element(kind, items);
}

function inline(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    const [all, , verbatim, strong, alsoStrong, emphasised] = found;
    parts.push(text.slice(from, found.index));
    if (verbatim !== undefined) parts.push(element("code", [verbatim]));
    else if (emphasised !== undefined) parts.push(element("em", inline(emphasised)));
    else parts.push(element("strong", inline(strong ?? alsoStrong)));
    from = found.index + all.length;
  }
  return [...parts, text.slice(from)];
}

function element(kind, children) {
  const made = document.createElement(kind);
  made.append(...children); // strings become text
  return made;
}
