// Evidence: what the Envoys, the wire and Signet say of themselves.
import { execFile } from 'node:child_process';
import http from 'node:http';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { ENVIRONMENT, ROOT, SIGNET } from './layout.mjs';
import { DemoError } from './processes.mjs';

const execute = promisify(execFile);

/** One plain HTTP request on a connection of its own; resolves to `{ status, text }`, rejects as the socket does. */
export const request = (method, { host, port }, path, headers = {}, agent = false) =>
  new Promise((resolve, reject) => {
    const sent = http.request({ agent, host, port, method, path, headers, timeout: 10_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', reject).on('end', () => resolve({ status: response.statusCode, text }));
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer for 10 s')));
    sent.on('error', reject).end();
  });

const ask = async (service, path) => {
  const { status, text } = await request('GET', service.envoyAdmin, path);
  if (status !== 200) throw new DemoError(`the Envoy of ${service.name} answered ${status} to ${path}`);
  return text;
};

const counters = async (service) => {
  const lines = (await ask(service, '/stats')).split('\n');
  return lines.map((line) => /^(.+): (\d+)$/.exec(line)).filter((match) => match !== null);
};

/** What the inbound side of one Envoy has counted so far. */
export const inboundCounters = async (service) => {
  const all = await counters(service);
  const sum = (pattern) => all.reduce((total, [, name, value]) => total + (pattern.test(name) ? Number(value) : 0), 0);
  const port = service.port;
  return {
    handshakes: sum(new RegExp(`^listener\\.inbound/${port}\\.ssl\\.handshake$`)),
    unmatched: sum(new RegExp(`^listener\\.inbound/${port}\\.no_filter_chain_match$`)),
    denied: sum(new RegExp(`^http\\.inbound/${port}\\.rbac\\.(allow|deny)\\.?denied$`)),
    toApp: sum(new RegExp(`^cluster\\.app/${port}\\.upstream_rq_total$`)),
  };
};

/** Whether this Envoy knows where to call that service. */
export const knowsEndpointOf = async (service, upstream) =>
  (await ask(service, '/clusters')).includes(
    `${upstream.key}/${upstream.port}::${upstream.address}:${upstream.port}::`,
  );

/** Serials come with and without colons, leading zeros and capitals. */
export const plainSerial = (serial) => serial.toLowerCase().replaceAll(':', '').replace(/^0+/, '');

/** The serials of the service's own certificate that its Envoy holds now. */
export const heldSerials = async (service) => {
  const { certificates } = JSON.parse(await ask(service, '/certs'));
  const leaves = certificates.flatMap(({ cert_chain: chain }) => chain ?? []);
  const own = leaves.filter(({ subject_alt_names: names }) => names?.some(({ uri }) => uri === service.identity));
  return [...new Set(own.map(({ serial_number: serial }) => plainSerial(serial)))];
};

/** The certificate that a fresh TLS handshake with the service's sidecar shows, whoever asks. */
export const shownCertificate = ({ address, port }) =>
  new Promise((resolve, reject) => {
    // Nothing is trusted here: the certificate is only looked at.
    const socket = tls.connect({ host: address, port, rejectUnauthorized: false, timeout: 5_000 }, () => {
      const { subjectaltname, serialNumber } = socket.getPeerCertificate();
      const protocol = socket.getProtocol();
      socket.destroy();
      resolve({ protocol, uri: subjectaltname?.replace(/^URI:/, ''), serial: plainSerial(serialNumber) });
    });
    socket.on('timeout', () => socket.destroy(new Error('no TLS handshake within 5 s')));
    socket.on('error', reject);
  });

/** Runs `signet ARGUMENTS` and returns what it prints. */
export const signet = async (...args) => {
  try {
    return (await execute(SIGNET, args, { cwd: ROOT, env: { ...process.env, ...ENVIRONMENT }, timeout: 30_000 }))
      .stdout;
  } catch (error) {
    throw new DemoError(`signet ${args.join(' ')}: ${(error.stderr || error.message).trim()}`);
  }
};

/** `signet status` of the demo's sidecars, by service. */
export const status = async () => {
  const { sidecars } = JSON.parse(await signet('status', '-o', 'json'));
  return new Map(sidecars.map((sidecar) => [sidecar.service, sidecar]));
};
