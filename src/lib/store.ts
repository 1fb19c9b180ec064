/** The port behind which state is kept: bytes under names, with revisions. The store knows nothing of what they mean. */
export type Store = {
  /** The newest value, or `undefined`. */
  readonly get: (key: string) => Entry | undefined;
  /** All entries whose key starts with `prefix`, in key order. */
  readonly list: (prefix: string) => readonly Entry[];
  /**
   * All writes or none, durable when the promise resolves.
   * @throws AppError `conflict` if an `ifRevision` no longer holds; `store_unavailable` if the disk refuses.
   */
  readonly commit: (writes: readonly Write[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

export type Entry = { readonly key: string; readonly value: Uint8Array; readonly revision: number };

export type Write = {
  readonly key: string;
  /** `undefined` deletes. */
  readonly value: Uint8Array | undefined;
  /** Only if the key stands at this revision now; 0 means only if it is absent. */
  readonly ifRevision?: number;
};
