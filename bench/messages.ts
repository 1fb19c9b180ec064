/** What the process with the simulated sidecars is told. */
export type Order =
  | { readonly kind: 'connect'; readonly fleet: FleetOptions }
  /** Count the sidecars that are sent routes from now on, until `expected` of them have been. */
  | { readonly kind: 'expectRoutes'; readonly expected: number }
  | { readonly kind: 'close' };

export type FleetOptions = {
  readonly address: { readonly host: string; readonly port: number };
  readonly anchorPem: string;
  readonly serverId: string;
  readonly trustDomain: string;
  readonly sidecars: readonly { readonly nodeId: string; readonly token: string; readonly address: string }[];
};

/** What it answers. Moments are `Date.now()`, which two processes share. */
export type Report =
  | { readonly kind: 'connected'; readonly startedAt: number; readonly readyAt: readonly number[] }
  | { readonly kind: 'armed' }
  | { readonly kind: 'routes'; readonly at: readonly number[] }
  | { readonly kind: 'failed'; readonly message: string };
