// Small helpers for the document. Texts are only ever set as text, never as markup.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | boolean | ((event: Event) => void)>;

/** Makes an element with attributes, listeners (`onclick`) and children. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element ${id}`);
  return element as T;
}

/** A table with a caption and heads of columns. */
export function table(caption: string, heads: string[], rows: (Child | Child[])[][]): HTMLElement {
  const cells = (row: (Child | Child[])[]): HTMLElement[] =>
    row.map((cell, at) => {
      const content = Array.isArray(cell) ? cell : [cell];
      return at === 0 ? el("th", { scope: "row" }, ...content) : el("td", {}, ...content);
    });
  const head = el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text))));
  const body = el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells(row))));
  // A wide table is scrolled by itself, with the keyboard too.
  const label = caption;
  return el("div", { class: "wide", role: "group", tabindex: "0", "aria-label": label }, el("table", {}, el("caption", {}, caption), head, body));
}
