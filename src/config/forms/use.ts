/** `orders`, `payments:ledger`, `shop/payments:9090`: a service, and which of its ports. */
export type UseForm = {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly port: string | undefined;
};

/** `undefined` if the text has another shape. The parts are names to look up. */
export const parseUse = (written: string): UseForm | undefined => {
  const match = /^(?:([^/:]+)\/)?([^/:]+)(?::([^/:]+))?$/.exec(written);
  return match === null ? undefined : { namespace: match[1], name: match[2] ?? '', port: match[3] };
};
