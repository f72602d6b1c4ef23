"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const viewer = document.querySelector(".viewer");
const slider = document.getElementById("slice");

function show(index) {
  const slice = data.slices[index];
  for (const figure of viewer.querySelectorAll("figure")) {
    const picture = figure.querySelector("svg");
    picture.querySelector("image").setAttribute("href", slice.pictures[figure.dataset.map]);
    picture.setAttribute("aria-label", `${figure.querySelector("button").textContent}, slice ${slice.own}`);
    for (const path of picture.querySelectorAll("path")) path.setAttribute("d", slice.outlines[path.dataset.region] || "");
  }
  const text = `${slice.own} of ${data.count} (z ${slice.mm > 0 ? "+" : ""}${Math.round(slice.mm)} mm, tumour ${data.profile[index].toFixed(1)} cm²)`;
  document.getElementById("where").textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

function enlarge(chosen) {
  for (const figure of viewer.querySelectorAll("figure")) {
    figure.classList.toggle("large", figure === chosen);
    figure.querySelector("button").setAttribute("aria-pressed", figure === chosen);
  }
}

slider.addEventListener("input", () => show(slider.valueAsNumber));
for (const box of viewer.querySelectorAll("[data-shows]")) {
  box.addEventListener("change", () => {
    for (const path of viewer.querySelectorAll(`[data-region=${box.dataset.shows}]`)) path.style.display = box.checked ? "" : "none";
  });
}
document.getElementById("everywhere")?.addEventListener("change", (event) => {
  viewer.classList.toggle("everywhere", event.target.checked);
});
for (const figure of viewer.querySelectorAll("figure")) {
  figure.querySelector("button").addEventListener("click", () => enlarge(figure));
  figure.querySelector(".frame").addEventListener("click", () => enlarge(figure));
}
document.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]; // up and down scroll the page
  if (!step || event.target === slider || event.altKey || event.ctrlKey || event.metaKey) return;
  slider.valueAsNumber += step;
  show(slider.valueAsNumber);
});
document.documentElement.classList.add("scripted");
viewer.hidden = false;
show(slider.valueAsNumber); // a browser may remember where the slider stood
