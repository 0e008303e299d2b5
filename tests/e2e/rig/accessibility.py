"""What a page is for those who see little of it, or nothing."""

# Every text that is seen, with the least contrast that it has (WCAG 2.1, 1.4.3), where that is below 4.5: against each colour of what is behind
# it, as dimmed as it is.
_FAINT = """(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number)
  const over = (top, ground) => {
    const [r, g, b, a = 1] = top
    return [r, g, b].map((one, i) => one * a + ground[i] * (1 - a))
  }
  const light = (colour) => {
    const [r, g, b] = colour.map((one) => one / 255).map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b)
    return (bright + 0.05) / (dark + 0.05)
  }
  // From the root to the element; an element that is dimmed shows what is behind it.
  const grounds = (element) => {
    const way = []
    for (let one = element; one; one = one.parentElement) way.unshift(one)
    let found = [matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255]]
    let dimmed = 1, behind = found
    for (const one of way) {
      const style = getComputedStyle(one)
      if (style.opacity < 1) [dimmed, behind] = [dimmed * style.opacity, found]
      found = found.map((ground) => over(parse(style.backgroundColor), ground))
      const stripes = style.backgroundImage.match(/rgba?\\([^)]*\\)/g) ?? []
      found = found.flatMap((ground) => [ground, ...stripes.map((stripe) => over(parse(stripe), ground))])
    }
    return found.map((ground) => ({ground, seen: (colour) => over([...colour, dimmed], behind[0])}))
  }
  const faint = []
  for (const element of document.body.querySelectorAll('*')) {
    const text = [...element.childNodes].filter((one) => one.nodeType === Node.TEXT_NODE).map((one) => one.textContent.trim()).join(' ')
    const shown = text && element.checkVisibility() && !element.closest('.unseen, noscript, option')
    if (!shown) continue
    const ink = parse(getComputedStyle(element).color)
    const least = Math.min(...grounds(element).map(({ground, seen}) => contrast(seen(over(ink, ground)), seen(ground))))
    if (least < 4.5) faint.push(`${element.tagName} ${text.slice(0, 30)}: ${least.toFixed(2)}`)
  }
  return faint
})()"""

_ACTED_UPON = {"button", "textbox", "searchbox", "combobox", "checkbox", "link", "spinbutton", "option", "dialog", "region", "log", "table"}


def faint_texts(browser) -> list[str]:
    """In light and in dark."""
    found = []
    for scheme in ("dark", "light"):
        browser.do("scheme", name=scheme)
        found += [f"{scheme}: {text}" for text in browser.evaluate(_FAINT)]
    return found


class Tree:
    """The page as a screen reader is told of it."""

    def __init__(self, browser):
        self.nodes = [(node["role"], node["name"].strip()) for node in browser.do("tree")]

    def names(self, role: str) -> list[str]:
        return [name for its_role, name in self.nodes if its_role == role]

    def nameless(self) -> list[str]:
        """Roles of what can be acted upon or gone to, and says not what it is."""
        return [role for role, name in self.nodes if role in _ACTED_UPON and not name]
