import type { BundleAnswer, CaAnswer, RenewAnswer, SlotAnswer } from '../../admin/responses.ts';
import { count } from '../../control/health/words.ts';
import { showDuration } from '../../lib/time.ts';
import { spiffeBundle } from '../../spiffe/writeBundle.ts';
import { adminClient } from '../adminClient.ts';
import { type CommandSpec, OUTPUT, print, printJson, SERVER, serviceArgument, usage, wantsJson } from '../command.ts';
import { table } from '../table.ts';
import { nameOf } from './ca/showRotation.ts';

const rotationLine = ({ rotation }: CaAnswer): string => {
  if (rotation === null) return '';
  const { kind, step, paused, waitingFor } = rotation;
  const waits = waitingFor === 0 ? '' : `, waits for ${count(waitingFor, 'sidecar')}`;
  return `rotation of ${nameOf(kind)} at its step ${step}${paused ? ', paused' : ''}${waits}: \`signet ca rotate\` says more`;
};

export const caStatusCommand: CommandSpec = {
  name: 'ca status',
  args: [],
  summary: 'show the certificate authorities',
  example: 'signet ca status',
  options: [OUTPUT, ...SERVER],
  run: async (input, io) => {
    const json = wantsJson(input);
    const ca = await (await adminClient(input, io)).get<CaAnswer>('/api/v1/ca');
    if (json) {
      printJson(io, ca);
      return 0;
    }
    const row = ({ kind, state, subject, serial, notAfter }: SlotAnswer): readonly string[] => [
      kind,
      state,
      subject.replaceAll('\n', ', '),
      serial,
      `${notAfter} (${showDuration(Date.parse(notAfter) - Date.now())} left)`,
    ];
    const names = [
      `trust domain ${ca.trustDomain}`,
      ...ca.aliases.map((alias) => `also called ${alias}`),
      ...ca.trusted.map(
        ({ trustDomain, file, roots, notAfter }) => `trusts ${trustDomain}: ${roots} in ${file}, until ${notAfter}`,
      ),
    ];
    const slots = table(['ROLE', 'STATE', 'SUBJECT', 'SERIAL', 'NOT AFTER'], ca.slots.map(row));
    print(io, `${names.join('\n')}\n${waiting(ca)}${slots}\n${rotationLine(ca)}`);
    return 0;
  },
};

const waiting = ({ request, signer }: CaAnswer): string => {
  const asked = request === null ? '' : `a request of ${request.since} waits for its chain: signet ca import FILE\n`;
  if (signer === null) return asked;
  const { name, sign, away } = signer;
  const signs = sign === 'leaves' ? 'every leaf' : 'the intermediate';
  const state = away === null ? `signs ${signs}` : `is to sign ${signs}, and is away since ${away.since}: ${away.why}`;
  return `${name} ${state}\n${asked}`;
};

export const caBundleCommand: CommandSpec = {
  name: 'ca bundle',
  args: [],
  summary: 'print the trust bundle as PEM, or as a SPIFFE bundle for another trust domain',
  example: 'signet ca bundle > roots.pem\nsignet ca bundle --format spiffe > shop.example.json',
  options: [
    { flags: '--format <format>', description: 'pem, or spiffe for a SPIFFE bundle (JWK set)', default: 'pem' },
    OUTPUT,
    ...SERVER,
  ],
  run: async (input, io) => {
    const json = wantsJson(input);
    const format = input.text('format');
    if (format !== 'pem' && format !== 'spiffe') throw usage(`--format ${format} is neither pem nor spiffe`);
    if (json && format === 'spiffe') throw usage('--format spiffe is JSON already: leave -o json out');
    const bundle = await (await adminClient(input, io)).get<BundleAnswer>('/api/v1/ca/bundle');
    if (json) printJson(io, bundle);
    else if (format === 'spiffe') printJson(io, spiffeBundle(bundle.authorities, bundle.sequence));
    else print(io, bundle.authorities.map((pem) => `${pem.trim()}\n`).join(''));
    return 0;
  },
};

export const caRenewCommand: CommandSpec = {
  name: 'ca renew',
  args: [{ form: '<service>', description: 'NAMESPACE/NAME' }],
  summary: 'give every connected instance of a service a new certificate now',
  example: 'signet ca renew prod/web',
  options: [OUTPUT, ...SERVER],
  run: async (input, io) => {
    const service = serviceArgument(input.args[0]);
    const json = wantsJson(input);
    const answer = await (await adminClient(input, io)).post<RenewAnswer>('/api/v1/ca/renew', { service });
    if (json) printJson(io, answer);
    else if (answer.renewed.length === 0) print(io, `no instance of ${service} is connected`);
    else {
      const rows = answer.renewed.map(({ node, serial, notAfter }) => [node, serial, notAfter]);
      print(io, table(['NODE', 'SERIAL', 'NOT AFTER'], rows));
    }
    return answer.renewed.length === 0 ? 1 : 0;
  },
};
