// The languages of the page.

import { de } from "./de.js";
import { en, type Messages } from "./en.js";
import { fr } from "./fr.js";
import { nl } from "./nl.js";
import { ro } from "./ro.js";

export type { Messages };
export type Language = "en" | "fr" | "de" | "nl" | "ro";
export const LANGUAGES: Record<Language, { name: string; messages: Messages }> = {
  en: { name: "English", messages: en },
  fr: { name: "Français", messages: fr },
  de: { name: "Deutsch", messages: de },
  nl: { name: "Nederlands", messages: nl },
  ro: { name: "Română", messages: ro },
};

/** Puts values in the places of a sentence. */
export function fill(sentence: string, values: Record<string, string | number>): string {
  return sentence.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}

/** The first of the reader's languages that the page has. */
export function preferred(languages: readonly string[]): Language {
  const known = languages.map((language) => language.slice(0, 2).toLowerCase()).find((language) => Object.hasOwn(LANGUAGES, language));
  return (known as Language | undefined) ?? "en";
}
