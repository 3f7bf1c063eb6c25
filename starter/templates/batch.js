"use strict";
const sheet = document.styleSheets[0];
const buttons = [...document.querySelectorAll("[data-filter]")];
for (const button of buttons) {
  const state = button.dataset.filter;
  if (state !== "all") {
    sheet.insertRule(`body[data-show="${state}"] article:not(.${state}) { display: none }`, sheet.cssRules.length);
  }
  button.addEventListener("click", () => {
    document.body.dataset.show = state;
    buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
  });
}
for (const video of document.querySelectorAll("video")) {
  const play = () => video.play().catch(() => {});
  const rest = () => video.pause();
  video.addEventListener("pointerenter", play);
  video.addEventListener("focus", play);
  video.addEventListener("pointerleave", rest);
  video.addEventListener("blur", rest);
  video.addEventListener("click", () => (video.paused ? play() : rest()));
}
