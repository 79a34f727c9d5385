/** Files at addresses, by `fetch`; from the middle on, where the server can. */
import { type ByteSource, type ByteStore, INDEX_NAME, type OpenOptions, type ResumePoint } from './store.ts';
import { brokenOff, unbroken } from './unbroken.ts';

const FROM_DISK = "to read it from the disk in Node, take loadModel from 'gradcam-webgpu/node'";

export const WEB_PAGE =
  'a web page (HTML) instead of weights; give the address of the file itself, or that of a folder with a slash at its end';

/** The default store: everything that `fetch` takes, which is http, https, data and blob URLs, and file URLs in Deno. */
export function fetchStore(): ByteStore {
  return {
    async locate(location) {
      const base = globalThis.location?.href;
      if (URL.canParse(location, base)) return indexIfFolder(new URL(location, base));
      throw new Error(`not a URL; ${FROM_DISK}`);
    },
    resolve: resolveUrl,
    open: openUrl,
  };
}

/** The URL of a folder's index, as far as a URL shows that it is a folder's; else the URL as it is. */
function indexIfFolder(url: URL): string {
  const isFolder = /^(https?|file):$/.test(url.protocol) && url.pathname.endsWith('/');
  return isFolder ? resolveUrl(url.href, INDEX_NAME) : url.href;
}

/** A sibling's URL. It takes over the query, where a signed URL carries its key. */
export function resolveUrl(base: string, relative: string): string {
  const url = new URL(relative, base);
  if (url.search === '') url.search = new URL(base).search;
  return url.href;
}

async function openUrl(location: string, { signal, from }: OpenOptions): Promise<ByteSource> {
  const rest = from && (await openRest(location, from, signal));
  if (rest) return rest;
  const response = await fetch(location, { signal }).catch((cause) => {
    if (!location.startsWith('file:')) throw cause;
    throw new Error(
      `fetch opens no file here; ${FROM_DISK}, and in a page give the address of a copy that is served as \`weights\``,
      { cause },
    );
  });
  return sourceOf(response, 0);
}

/**
 * The file from `from.start` on, or as a whole, where the server takes no notice of ranges; undefined where it answers in a
 * way that cannot be used, to be asked for the whole.
 */
async function openRest(
  location: string,
  from: ResumePoint,
  signal: AbortSignal | undefined,
): Promise<ByteSource | undefined> {
  const here = globalThis.location?.origin;
  // To other origins, If-Range would need their consent beforehand, which few give. The answer tells the version as well.
  const isAskedIf = here === undefined || here === new URL(location).origin;
  const headers = { range: `bytes=${from.start}-`, ...(isAskedIf && { 'if-range': from.version }) };
  // A browser that asks another origin beforehand whether it may send a range can be refused. The whole needs no consent.
  const response = await fetch(location, { signal, headers }).catch(() => undefined);
  if (response === undefined) return undefined;
  if (response.status === 200) return sourceOf(response, 0);
  if (response.status === 206 && goesOn(response, from, isAskedIf)) {
    return { ...(await sourceOf(response, from.start)), version: from.version };
  }
  await response.body?.cancel();
  return undefined;
}

/** Whether a partial answer is of the same file and begins where it was to. */
function goesOn({ headers, type }: Response, from: ResumePoint, isAskedIf: boolean): boolean {
  const version = headers.get(isETag(from.version) ? 'etag' : 'last-modified');
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  const isThere = range !== null && Number(range[1]) === from.start;
  const isThatSize = range?.[2] === '*' || from.size === undefined || Number(range?.[2]) === from.size;
  // Of another origin's answer, a page may not see the range.
  const isHidden = type === 'cors' && !headers.has('content-range');
  return (
    (version === null ? isAskedIf : version === from.version) &&
    (isHidden || (isThere && isThatSize)) &&
    !headers.has('content-encoding')
  );
}

async function sourceOf(response: Response, start: number): Promise<ByteSource> {
  const refuse = async (reason: string): Promise<never> => {
    await response.body?.cancel();
    throw new Error(reason);
  };
  if (!response.ok) return refuse(`the server answered ${`${response.status} ${response.statusText}`.trim()}`);
  if (response.headers.get('content-type')?.toLowerCase().startsWith('text/html')) return refuse(WEB_PAGE);
  const size = sizeOf(response, start);
  const version = versionOf(response);
  const source = { size, stream: response.body ?? new Blob().stream(), version, start };
  if (version !== undefined || !response.url.startsWith('http')) return source;
  const giveUp = async (count: number, cause: unknown) => {
    const anew = 'another try begins anew, as the server sent no ETag or Last-Modified';
    throw new Error(`${brokenOff(count, size)}; ${anew}`, { cause });
  };
  return { ...source, stream: unbroken(source, giveUp) };
}

/**
 * The file's size, if the response tells it. Content-Length counts the compressed bytes of a compressed response, and
 * a page cannot see whether a response from another origin is one; but a part of a file never is.
 */
function sizeOf({ headers, type, status }: Response, start: number): number | undefined {
  const length = headers.get('content-length');
  const mayBeCompressed = (type === 'cors' && status !== 206) || headers.has('content-encoding');
  return length === null || mayBeCompressed ? undefined : start + Number(length);
}

/**
 * What If-Range takes: an ETag that is not weak, or the time of the last change, if the file has rested since; a server that
 * counts in seconds gives two changes within one the same time (RFC 9110, section 8.8.2.2).
 */
function versionOf({ headers }: Response): string | undefined {
  const etag = headers.get('etag');
  if (etag !== null && isETag(etag)) return etag;
  const modified = headers.get('last-modified');
  if (modified === null) return undefined;
  const asked = headers.get('date') ?? new Date().toUTCString();
  return Date.parse(asked) - Date.parse(modified) >= 1000 ? modified : undefined;
}

/** Not those that are weak, W/"…": files that are as good as each other may share one. */
function isETag(version: string): boolean {
  return version.startsWith('"');
}
