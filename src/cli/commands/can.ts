import { isIP } from 'node:net';
import { loadMeshFile } from '../../app/meshFile.ts';
import { type CanAnswer, type CanCall, type CanQuestion, can } from '../../control/can.ts';
import { AppError } from '../../lib/errors.ts';
import { adminClient } from '../adminClient.ts';
import {
  type CommandSpec,
  type Input,
  type Io,
  OUTPUT,
  print,
  printJson,
  SERVER,
  usage,
  wantsJson,
} from '../command.ts';

/** Would this call be allowed? */
export const canCommand: CommandSpec = {
  name: 'can',
  args: [
    { form: '<from>', description: 'a service, a SPIFFE ID, or anyone' },
    { form: '<to>', description: 'SERVICE[:PORT]' },
    { form: '[method]', description: 'without it, what is allowed is listed' },
    { form: '[path]', description: 'as it is sent' },
  ],
  summary: 'tell whether a call would be allowed, and by which line',
  example: 'signet can prod/web prod/orders GET /orders/7\nsignet can anyone prod/payments:ledger --config mesh.yaml',
  options: [
    { flags: '--config <file>', description: 'answer from this file, offline' },
    { flags: '--header <key:value>', description: 'a header of the request', many: true },
    { flags: '--host <host>', description: 'the Host of the request' },
    { flags: '--sni <name>', description: 'the server name of the handshake' },
    { flags: '--jwt-claims <json>', description: 'the claims of a proven token' },
    { flags: '--from-ip <ip>', description: 'the address that the connection comes from' },
    { flags: '--remote-ip <ip>', description: 'the address of the original client' },
    { flags: '--plaintext', description: 'a caller without TLS, and so without identity' },
    OUTPUT,
    ...SERVER,
  ],
  run: async (input, io) => {
    const json = wantsJson(input);
    const question = questionOf(input);
    const config = input.text('config');
    const answer = config === undefined ? await asked(question, input, io) : await offline(question, config, io);
    if (json) printJson(io, answer);
    else print(io, showAnswer(answer));
    return answer.verdict === 'ALLOW' ? 0 : 1;
  },
};

/** No rule can name headers, hosts, SNI, tokens or addresses yet, so what is said of them is checked and changes nothing. */
const questionOf = (input: Input): CanQuestion => {
  const [from = '', to = '', method, path] = input.args;
  for (const header of input.texts('header')) {
    if (!/^[^\s:]+:/.test(header)) throw usage(`--header ${header} is not KEY:VALUE`);
  }
  for (const flag of ['from-ip', 'remote-ip']) {
    const ip = input.text(flag);
    if (ip !== undefined && isIP(ip) === 0) throw usage(`--${flag} ${ip} is no IP address`);
  }
  const claims = input.text('jwt-claims');
  if (claims !== undefined && !isJsonObject(claims)) throw usage('--jwt-claims is no JSON object');
  if (method !== undefined && !/^[A-Za-z]+$/.test(method)) throw usage(`${method} is no method: write METHOD PATH`);
  return { from, to, method, path, plaintext: input.flag('plaintext') };
};

const isJsonObject = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
};

const asked = async (question: CanQuestion, input: Input, io: Io): Promise<CanAnswer> =>
  (await adminClient(input, io)).post<CanAnswer>('/api/v1/can', question);

const offline = async (question: CanQuestion, config: string, io: Io): Promise<CanAnswer> => {
  const loaded = await loadMeshFile(config, io.env);
  if (!loaded.ok) throw new AppError('mesh_invalid', `${config} has errors`, { cause: loaded.error });
  const answer = can(loaded.value.mesh, Date.now(), question);
  if (!answer.ok) throw usage(answer.error);
  return answer.value;
};

/** The line stands in front already. */
const withoutRule = (reason: string, rule: string): string =>
  reason.replace(`, by ${rule}`, '').replace(` by ${rule}`, '');

const showAnswer = ({ verdict, reason, rule, nearestMiss, note, calls }: CanAnswer): string => {
  const call = (kind: string) => (listed: CanCall) =>
    `${kind} ${listed.call} (${listed.rule}${listed.until === null ? '' : `, until ${listed.until}`})`;
  return [
    verdict,
    ...(rule === null ? [] : [`${rule} ${withoutRule(reason, rule)}`]),
    ...(nearestMiss === null ? [] : [`${nearestMiss.rule} comes nearest: ${nearestMiss.reason}`]),
    ...(rule === null ? [reason] : []),
    ...(calls?.allowed.map(call('  may')) ?? []),
    ...(calls?.denied.map(call('  but not')) ?? []),
    ...(note === null ? [] : [note]),
  ].join('\n');
};
