import type { MeshSigner, SignerSpec } from '../../features/certificates/spec.ts';
import { parseDuration, showDuration } from '../../lib/time.ts';
import { descend } from '../places.ts';
import type { Check } from './check.ts';

const TIMEOUT = { least: 1_000, most: 300_000, usual: 30_000 } as const;

const isWord = (text: string): boolean => text !== '' && !text.includes('\0');

/** `certificates.signer` names one signer, and says enough of it. */
export const signer: Check = ({ file: { mesh }, place }, report) => {
  const spec = mesh.certificates?.signer;
  if (spec === undefined) return;
  const at = descend(place, 'mesh', 'certificates', 'signer');
  const { exec, file, timeout } = spec;
  if ((exec === undefined) === (file === undefined)) {
    const found = exec === undefined ? 'neither exec nor file' : 'both exec and file';
    report({
      code: 'SIG0320',
      place: at,
      message: `the signer has ${found}`,
      hint: 'exec: [COMMAND, ARGS…], or file: { certificate, key }',
    });
  }
  if (exec !== undefined && !(exec[0] !== undefined && exec[0] !== '' && exec.every((word) => !word.includes('\0'))))
    report({
      code: 'SIG0321',
      place: descend(at, 'exec'),
      message: 'the command of the signer is empty',
      hint: 'write [COMMAND, ARGS…]; there is no shell between',
    });
  for (const key of ['certificate', 'key', 'roots'] as const) {
    const path = file?.[key];
    if (path !== undefined && !isWord(path))
      report({
        code: 'SIG0322',
        place: descend(at, 'file', key),
        message: 'the name of a file of the signer is empty',
      });
  }
  const span = timeout === undefined ? TIMEOUT.usual : parseDuration(timeout);
  if (span === undefined || span < TIMEOUT.least || span > TIMEOUT.most) {
    const hint = `write ${showDuration(TIMEOUT.least)} to ${showDuration(TIMEOUT.most)}`;
    const message = span === undefined ? `${timeout} is not a duration` : `${timeout} is out of bounds`;
    report({ code: 'SIG0209', place: descend(at, 'timeout'), message, hint });
  }
};

/** The signer of a file that passed the check. */
export const buildSigner = (spec: SignerSpec | undefined): { readonly signer?: MeshSigner } => {
  if (spec === undefined) return {};
  const { exec, file, sign = 'intermediate', timeout } = spec;
  const by: MeshSigner['by'] =
    file === undefined
      ? { kind: 'exec', command: exec ?? [] }
      : { kind: 'file', certificate: file.certificate, key: file.key, roots: file.roots };
  return { signer: { sign, timeout: parseDuration(timeout ?? '') ?? TIMEOUT.usual, by } };
};
