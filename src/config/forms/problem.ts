import type { Code } from '../catalogue.ts';

/** What is wrong with a short form; the caller knows where it stands. */
export type Problem = { readonly code: Code; readonly message: string; readonly hint?: string };
