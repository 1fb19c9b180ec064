/** `HOST:PORT`; an IPv6 address stands in brackets. */
export type HostPort = { readonly host: string; readonly port: number };

/** Reads `127.0.0.1:80`, `name:80`, `[::1]:80`; `undefined` if it is none of these or the port is above 65535. */
export const parseHostPort = (text: string): HostPort | undefined => {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/@]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || port > 65_535 ? undefined : { host, port };
};

export const showHostPort = ({ host, port }: HostPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
