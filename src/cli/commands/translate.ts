import { isIP } from 'node:net';
import { loadMeshFile } from '../../app/meshFile.ts';
import { missingService } from '../../control/bootstraps.ts';
import { DEFAULT_OUTBOUND } from '../../control/sidecar.ts';
import { emitProxy } from '../../emit/emitProxy.ts';
import { showJson } from '../../emit/showJson.ts';
import { AppError } from '../../lib/errors.ts';
import { type HostPort, parseHostPort } from '../../lib/hostPort.ts';
import { planProxy } from '../../plan/planProxy.ts';
import { callersBundleId, trustDomainId } from '../../spiffe/spiffeId.ts';
import { CONFIG, type CommandSpec, JSON_ONLY, PLACE, printJson, serviceArgument, usage } from '../command.ts';

/** What one sidecar would be sent, offline. */
export const translateCommand: CommandSpec = {
  name: 'translate',
  args: [{ form: '<service>', description: 'NAMESPACE/NAME' }],
  summary: "print a sidecar's Envoy configuration as JSON, offline and without private keys",
  example: 'signet translate prod/web --config mesh.yaml',
  options: [CONFIG, ...PLACE.filter(({ flags }) => /^--(address|outbound) /.test(flags)), JSON_ONLY],
  run: async (input, io) => {
    const service = serviceArgument(input.args[0]);
    const address = addressOption(input.text('address'));
    const ref = { service, address, outbound: outboundOption(input.text('outbound')) };
    const config = input.text('config') ?? '';
    const loaded = await loadMeshFile(config, io.env);
    if (!loaded.ok) throw new AppError('mesh_invalid', `${config} has errors`, { cause: loaded.error });
    const { mesh } = loaded.value;
    const plan = planProxy(mesh, Date.now(), ref, new Map());
    if (plan === undefined) throw new AppError('unknown_service', missingService(mesh, service)?.message ?? service);
    const { clusters, endpoints, listeners, routes } = showJson(emitProxy(plan));
    // Offline there is no certificate: the names under which the sidecar asks for them.
    const secrets = [
      { name: plan.identity, tls_certificate: { private_key: { inline_string: '[redacted]' } } },
      { name: trustDomainId(mesh.trustDomain), validation_context: {} },
      ...(plan.federated ? [{ name: callersBundleId(mesh.trustDomain), validation_context: {} }] : []),
    ];
    printJson(io, { clusters, endpoints, listeners, routes, secrets });
    return 0;
  },
};

export const addressOption = (text: string | undefined): string | undefined => {
  if (text !== undefined && isIP(text) === 0) throw usage(`--address ${text} is no IP address`);
  return text;
};

export const outboundOption = (text: string | undefined): HostPort => {
  if (text === undefined) return DEFAULT_OUTBOUND;
  const parsed = parseHostPort(text);
  if (parsed === undefined || isIP(parsed.host) === 0 || parsed.port === 0)
    throw usage(`--outbound ${text} is not IP:PORT`);
  return parsed;
};
