import type { Outline } from '../outline.ts';
import type { Report } from '../places.ts';

/** One rule that a file must keep. It reports every breach, each once, at the value or key that is wrong. */
export type Check = (outline: Outline, report: Report) => void;
