// Keys that work anywhere on the page while this (invisible) element is shown.

const OWN_KEYS = "input, textarea, select, [contenteditable], " +
  ["listbox", "combobox", "slider", "tab", "option", "menu"].map((role) => `[role=${role}]`).join(", ")

export function render({ model }) {
  const root = document.createElement("span")
  const listen = (event) => {
    if (!root.getClientRects().length || event.defaultPrevented) return
    if (event.ctrlKey || event.metaKey || event.altKey || !model.keys.includes(event.key)) return
    if (event.composedPath().some((node) => node.matches?.(OWN_KEYS))) return
    event.preventDefault()
    model.send_msg(event.key)
  }
  document.addEventListener("keydown", listen)
  model.on("remove", () => document.removeEventListener("keydown", listen))
  return root
}
