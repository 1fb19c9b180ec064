import { keepNewest } from '../lib/newest.ts';

/** What was made for parts of plans, as long as the part is there; a part is made once for each context. */
export type Made<Part extends object, Value> = WeakMap<Part, Map<string, Value>>;

/** A port that says the same for months is there for months, and callers come and go. */
const MOST = 10_000;

/** `make()` for the first who asks for this part in this context, and the same for all others. */
export const once = <Part extends object, Value>(
  made: Made<Part, Value>,
  part: Part,
  context: string,
  make: () => Value,
): Value => {
  const known = made.get(part)?.get(context);
  if (known !== undefined) return known;
  // It may ask for parts of its own, and fail.
  const fresh = make();
  const byContext = made.get(part);
  if (byContext === undefined) made.set(part, new Map([[context, fresh]]));
  else keepNewest(byContext, context, fresh, MOST);
  return fresh;
};
