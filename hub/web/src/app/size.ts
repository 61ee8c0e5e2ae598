/** How much room the page has, as the style sheet sees it. */
import { signal, type ReadonlySignal } from '@preact/signals'

function follows(query: string): ReadonlySignal<boolean> {
  const media = matchMedia(query)
  const now = signal(media.matches)
  media.addEventListener('change', () => (now.value = media.matches))
  return now
}

/** One thing at a time, from below. */
export const phone = follows('(max-width: 700px)')
/** No room in the bar for what belongs to the person. */
export const compact = follows('(max-width: 1500px)')
