// Forms that ask the API, and what htmx would forget when it fetches a part of a page anew.
"use strict";

/** Value of a field as the API takes it; undefined for one that was left empty. */
function valueOf(field) {
  if (field.value === "" && field.name !== "why") return undefined;
  switch (field.dataset.type) {
    case "int":
    case "float":
      return Number(field.value);
    case "bool":
      return field.value === "true";
    default:
      return field.value;
  }
}

/** Body of a request: a name with a dot is a field of an object, boxes are a list of the numbers that are not ticked, and
 * what a field is only told with is the value of the button. */
function bodyOf(form, button) {
  const body = {};
  for (const field of form.elements) {
    if (field.dataset.with && field.dataset.with !== button?.value) continue;
    if (field.type === "checkbox") {
      if (!field.checked) (body[field.name] ??= []).push(Number(field.value));
      continue;
    }
    const value = field.name && field.type !== "submit" ? valueOf(field) : undefined;
    if (value === undefined) continue;
    const [outer, inner] = field.name.split(".");
    if (inner) (body[outer] ??= {})[inner] = value;
    else body[outer] = value;
  }
  if (button?.name) body[button.name] = button.value;
  return body;
}

/** Ask the API for what the form says, and go where it leads; a refusal stays on the page. */
async function send(form, button) {
  const path = form.dataset.api + (button && !button.name ? button.value : "");
  const answer = await fetch(path, {
    method: button?.dataset.method ?? "POST",
    headers: { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf },
    body: JSON.stringify(bodyOf(form, button)),
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error?.message ?? `the server answered ${answer.status}`);
  if (form.dataset.done) location.assign(form.dataset.done.replace("{id}", said.id));
  else location.reload();
}

document.addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter;
  if (!form.dataset.api) return;
  event.preventDefault();
  if (button?.dataset.confirm && !confirm(button.dataset.confirm)) return;
  const refused = form.querySelector(".refused");
  const buttons = form.querySelectorAll("button");
  buttons.forEach((one) => (one.disabled = true));
  try {
    await send(form, button);
  } catch (error) {
    buttons.forEach((one) => (one.disabled = false));
    if (refused) {
      refused.textContent = error.message;
      refused.hidden = false;
    }
  }
});

// The list of loops is fetched anew every few seconds: what was chosen there stays chosen.
const chosen = new Set();
document.addEventListener("change", (event) => {
  if (event.target.getAttribute("form") !== "compare") return;
  if (event.target.checked) chosen.add(event.target.value);
  else chosen.delete(event.target.value);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const box of document.querySelectorAll('input[form="compare"]')) box.checked = chosen.has(box.value);
});
