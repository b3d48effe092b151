"use strict";
(() => {
  const number = (text) => (/^-?[0-9.]+/.test(text) ? parseFloat(text) : NaN);
  const key = (group, column) => {
    const row = group.rows ? group.rows[0] : group;
    const cell = row.cells[column];
    return cell ? (cell.dataset.sort || cell.textContent).trim() : "";
  };
  const sort = (table, column, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    const single = table.tBodies.length === 1;
    const groups = Array.from(single ? table.tBodies[0].rows : table.tBodies);
    const numeric = groups.every((group) => key(group, column) === "" || !isNaN(number(key(group, column))));
    const compare = (one, other) => {
      const a = key(one, column);
      const b = key(other, column);
      return numeric ? (number(a) || 0) - (number(b) || 0) : a.localeCompare(b, "en", { numeric: true });
    };
    groups.sort((one, other) => (down ? compare(other, one) : compare(one, other)));
    groups.forEach((group) => group.parentNode.appendChild(group));
    table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  document.querySelectorAll("table.sortable").forEach((table) => {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, column, head));
    });
  });
  const unfold = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    target.querySelectorAll("details.more").forEach((inner) => (inner.open = true));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = Array.from(document.querySelectorAll("details.fold:not([open])"));
    folded.forEach((node) => (node.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((node) => (node.open = false)));
})();
