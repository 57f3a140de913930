// Elements of the page. Texts of the service become text, never markup.

export function at(id) {
  return document.getElementById(id);
}

export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

// A button that names what it is for to those who do not see where it stands.
export function button(text, what, pressed) {
  const made = element("button", "", text);
  made.type = "button";
  made.setAttribute("aria-label", `${text} ${what}`);
  made.addEventListener("click", pressed);
  return made;
}

// A text under a title, with a button that copies it; it may be given another text.
export class Copyable {
  constructor(level, title, text = "") {
    this.title = title;
    this.text = element("pre", "", text);
    this.text.tabIndex = 0; // it may be wider than the page, and a keyboard must scroll it
    this.text.setAttribute("role", "region");
    this.text.setAttribute("aria-label", title);
    this.said = element("span", "hint");
    this.said.setAttribute("role", "status");
    const head = element("div", "head");
    head.append(element(level, "", title), this.said, button("Copy", title, () => void this.copy()));
    this.block = element("div", "command");
    this.block.append(head, this.text);
  }

  show(text) {
    if (this.text.textContent === text) return;
    this.text.textContent = text;
    this.said.textContent = "";
  }

  async copy() {
    const copied = await toClipboard(this.text);
    this.said.textContent = copied ? "Copied." : "It is selected; press Ctrl+C.";
  }
}

// Over plain HTTP a browser gives no clipboard to pages of other machines; there the old way works still.
async function toClipboard(node) {
  try {
    await navigator.clipboard.writeText(node.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(node);
    return document.execCommand("copy");
  }
}
