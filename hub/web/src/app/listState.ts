/** What the list is doing: searched for, and on a phone pulled up. */
import { signal } from '@preact/signals'
import { createRef } from 'preact'

export const query = signal('')
export const listOpen = signal(false)
export const searchBox = createRef<HTMLInputElement>()
