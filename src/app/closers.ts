/** What has to be closed, in the order of its making; closed in reverse. */
export class Closers {
  readonly #stack: (() => void | Promise<void>)[] = [];
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  add(close: () => void | Promise<void>): void {
    this.#stack.push(close);
  }

  /** Closes everything that is open, whatever fails on the way. */
  async close(): Promise<void> {
    for (let next = this.#stack.pop(); next !== undefined; next = this.#stack.pop()) {
      try {
        await next();
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
