/** What a process with simulated sidecars is told; each order has one answer. */
export type Order =
  /** Opens these sidecars; answered when all have everything. */
  | { readonly kind: 'open'; readonly fleet: FleetOptions; readonly from: number; readonly to: number }
  /** Ends all streams and opens them again, with what each holds; answered when the last has asked. */
  | { readonly kind: 'return' }
  /** From now on count what comes. */
  | { readonly kind: 'watch' }
  /** Answered when at least so many sidecars were sent something and nothing more came for `quiet` ms. */
  | { readonly kind: 'collect'; readonly expected: number; readonly quiet: number }
  /** All that the first sidecar was sent since the last `watch` or `open`, by type. */
  | { readonly kind: 'recorded' }
  | { readonly kind: 'close' };

export type FleetOptions = {
  readonly address: { readonly host: string; readonly port: number };
  readonly anchorPem: string;
  readonly serverId: string;
  readonly trustDomain: string;
  readonly sidecars: readonly {
    readonly nodeId: string;
    readonly token: string;
    readonly localAddress: string | undefined;
  }[];
};

export type Recorded = ReadonlyMap<string, readonly Buffer[]>;

/** What came in a time that was watched. Moments are `Date.now()`, which all processes share. */
export type Seen = {
  /** When each sidecar that was sent something had written its last ACK. */
  readonly ackedAt: readonly number[];
  /** The same for each type. */
  readonly byType: ReadonlyMap<string, readonly number[]>;
  /** Bytes of gRPC messages, and how many messages. */
  readonly bytes: number;
  readonly responses: number;
};

export type Report =
  | ({ readonly kind: 'opened'; readonly startedAt: number; readonly readyAt: readonly number[] } & Seen)
  | ({ readonly kind: 'collected' } & Seen)
  | { readonly kind: 'recorded'; readonly responses: Recorded }
  | { readonly kind: 'done'; readonly at: number }
  | { readonly kind: 'failed'; readonly message: string };

/** What `bareServer.ts` and `xdsServer.ts` are told. */
export type LimitOrder =
  | {
      readonly kind: 'listen';
      readonly chainPem: string;
      readonly keyPem: string;
      /** For the bare server: what it answers to a request for a type. */
      readonly recorded: Recorded;
    }
  /** Push to every stream: these bytes; `src/xds` frames a resource of as many. */
  | { readonly kind: 'push'; readonly response: Buffer };

export type LimitReport = { readonly port: number };
