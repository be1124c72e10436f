// Runs in the page, which is in a frame: writes what its reader would see into the page around it, as JSON; the bars
// with their numbers and their size on the screen.
document.querySelectorAll("details").forEach((details) => { details.open = true; });
const wide = (element) => element.getBoundingClientRect().width;
const ends = (element, within) => {
  const [outer, inner] = [within, element].map((e) => e.getBoundingClientRect());
  return [inner.left - outer.left, inner.right - outer.left];
};
const number = (cell) => cell.querySelector("data")?.value ?? null;
const cells = (row, what) =>
  Object.fromEntries([...row.querySelectorAll("[data-is]")].map((cell) => [cell.dataset.is, what(cell)]));
const probed = {
  width: document.documentElement.clientWidth,
  needed: document.documentElement.scrollWidth,
  background: getComputedStyle(document.body).backgroundColor,
  text: getComputedStyle(document.body).color,
  // one for each row of a table of bars
  bars: [...document.querySelectorAll("tr[data-variant]")].map((row) => ({
    ...row.dataset,
    values: cells(row, number),
    texts: cells(row, (cell) => cell.textContent),
    chart: wide(row.querySelector("svg.bar")),
    speed: wide(row.querySelector("rect.speed")),
    fill: getComputedStyle(row.querySelector("rect.speed")).fill,
    spread: ends(row.querySelector("path.spread"), row.querySelector("svg.bar")),
    title: row.querySelector(".chart").title,
    track: row.querySelector("rect.track") && wide(row.querySelector("rect.track")),
    fastest: row.classList.contains("fastest"),
  })),
  curves: [...document.querySelectorAll("svg.curves")].map((svg) => ({
    title: svg.querySelector("title").textContent,
    width: wide(svg),
    points: [...svg.querySelectorAll("circle")].map((circle) => ({
      text: circle.querySelector("title").textContent,
      x: Number(circle.getAttribute("cx")),
      y: Number(circle.getAttribute("cy")),
    })),
    names: [...svg.querySelectorAll("text.name")].map((text) => text.textContent),
    marks: [...svg.querySelectorAll("text.mark")].map((text) => text.textContent),
    outside: [...svg.querySelectorAll("text")]
      .filter((text) => text.getBoundingClientRect().right > svg.getBoundingClientRect().right + 1)
      .map((text) => text.textContent),
    letters: Math.min(...[...svg.querySelectorAll("text")].map((text) => text.getBoundingClientRect().height)),
  })),
  ratios: document.querySelectorAll("table.ratios tbody tr").length,
  overview: [...document.querySelectorAll(".overview tbody tr")].map((row) => ({
    function: row.querySelector("a").textContent,
    cut: [...row.querySelectorAll("td")].some((td) => td.scrollWidth > td.clientWidth + 1),
    target: !!document.getElementById(row.querySelector("a").hash.slice(1)),
    cells: Object.fromEntries([...row.querySelectorAll("td")].map((td) => [td.dataset.level, td.innerText.trim()])),
  })),
};
parent.document.getElementById("probed").textContent = JSON.stringify(probed);
