/** Pictures, tables and files that are taken away from the page. */

export function save(name: string, content: Blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // A click only begins the download.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export type Cell = string | number | null;

/** Text that a spreadsheet would take for a formula is not one. */
export function csv(rows: Cell[][]): Blob {
  const cell = (value: Cell) =>
    typeof value === "string" ? `"${(/^[=+\-@]/.test(value) ? "'" : "") + value.replaceAll('"', '""')}"` : (value ?? "");
  return new Blob([rows.map((row) => row.map(cell).join(",") + "\r\n").join("")], { type: "text/csv" });
}

/* Each is an attribute of SVG, too: the policy of the page forbids styles in elements. */
const STYLES = ["fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "paint-order", "opacity", "font-family", "font-size", "font-weight"];

/** The drawing with its colours and its ground in it, so that it looks the same elsewhere. */
function alone(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const to = [copy, ...copy.querySelectorAll("*")];
  [svg, ...svg.querySelectorAll("*")].forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of STYLES) to[i]?.setAttribute(name, style.getPropertyValue(name));
  });
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", getComputedStyle(svg.closest(".card") ?? document.body).backgroundColor);
  copy.prepend(ground);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return copy.outerHTML;
}

export function saveSvg(name: string, svg: SVGSVGElement) {
  save(`${name}.svg`, new Blob([alone(svg)], { type: "image/svg+xml" }));
}

/** With twice as many pixels in each direction as on the screen. */
export async function savePng(name: string, svg: SVGSVGElement) {
  const image = new Image();
  const { width, height } = svg.getBoundingClientRect();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(alone(svg))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => blob && save(`${name}.png`, blob));
}
