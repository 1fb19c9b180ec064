import type { BundleAnswer, CaAnswer, RenewAnswer, SlotAnswer } from '../../admin/responses.ts';
import { count } from '../../control/health/words.ts';
import { showDuration } from '../../lib/time.ts';
import { adminClient } from '../adminClient.ts';
import { type CommandSpec, OUTPUT, print, printJson, SERVER, serviceArgument, wantsJson } from '../command.ts';
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
    print(
      io,
      `trust domain ${ca.trustDomain}\n${table(['ROLE', 'STATE', 'SUBJECT', 'SERIAL', 'NOT AFTER'], ca.slots.map(row))}\n${rotationLine(ca)}`,
    );
    return 0;
  },
};

export const caBundleCommand: CommandSpec = {
  name: 'ca bundle',
  args: [],
  summary: 'print the trust bundle as PEM',
  example: 'signet ca bundle > roots.pem',
  options: [OUTPUT, ...SERVER],
  run: async (input, io) => {
    const json = wantsJson(input);
    const bundle = await (await adminClient(input, io)).get<BundleAnswer>('/api/v1/ca/bundle');
    if (json) printJson(io, bundle);
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
