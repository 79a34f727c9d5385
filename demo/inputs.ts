/** Pictures and weights on their way in: chosen, pasted, dropped anywhere, or taken with the camera. */
import { byId } from './dom.ts';

interface Calls {
  onPicture(picture: Blob, name: string): void;
  onWeights(files: readonly File[]): void;
  /** What could not be taken, in words. */
  onRefused(why: string): void;
}

const WEIGHTS = /\.(safetensors|bin|json)$/i;

export function acceptInputs(calls: Calls): void {
  chooseFiles('choose-picture', 'picture-file', ([file]) => calls.onPicture(file!, file!.name));
  chooseFiles('choose-weights', 'weights-file', calls.onWeights);
  chooseFiles('choose-folder', 'weights-folder', calls.onWeights);
  acceptPasted(calls);
  acceptDropped(calls);
  openCamera(calls);
}

/** A button that stands for a file input, which cannot be styled. */
export function chooseFiles(button: string, input: string, take: (files: readonly File[]) => void): void {
  const files = byId<HTMLInputElement>(input);
  byId(button).addEventListener('click', () => files.click());
  files.addEventListener('change', () => {
    const chosen = [...(files.files ?? [])];
    // The same file can be chosen again.
    files.value = '';
    if (chosen.length > 0) take(chosen);
  });
}

/** Ctrl+V anywhere but in a field; the button asks for the clipboard itself. */
function acceptPasted({ onPicture, onRefused }: Calls): void {
  const NONE = 'There is no picture in the clipboard. Copy one first, in a browser or an image program.';
  document.addEventListener('paste', (event) => {
    if (event.target instanceof Element && event.target.matches('input')) return;
    const picture = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
    if (picture) onPicture(picture, 'pasted picture');
    else onRefused(NONE);
  });
  byId('paste-picture').addEventListener('click', async () => {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find((each) => each.startsWith('image/'));
        if (type) return onPicture(await item.getType(type), 'pasted picture');
      }
      onRefused(NONE);
    } catch {
      onRefused('The browser does not let this page read the clipboard. Press Ctrl+V (⌘V on a Mac) instead.');
    }
  });
}

/** Whether files can be dropped on the page: fingers carry none. */
export const canDrop = !matchMedia('(pointer: coarse) and (not (any-pointer: fine))').matches;

/** Weights are known by their names, everything else is a picture. */
function acceptDropped({ onPicture, onWeights, onRefused }: Calls): void {
  const hint = byId('drop-hint');
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
  document.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hint.hidden = false;
  });
  // Leaving an element for its child is none: relatedTarget is null only where the page is left.
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) hint.hidden = true;
  });
  document.addEventListener('drop', async (event) => {
    if (!event.dataTransfer || !hasFiles(event)) return;
    event.preventDefault();
    hint.hidden = true;
    const files = await filesOf(event.dataTransfer);
    const weights = files.filter((file) => WEIGHTS.test(pathOf(file)));
    const [picture] = files.filter((file) => !WEIGHTS.test(pathOf(file)));
    if (weights.length > 0) onWeights(weights);
    else if (picture) onPicture(picture, picture.name);
    else onRefused('There was no file in what was dropped.');
  });
}

const pathOf = (file: File) => file.webkitRelativePath || file.name;

/** The files that were dropped, those of folders among them. */
async function filesOf(transfer: DataTransfer): Promise<File[]> {
  // Entries must be asked for before the first await; afterwards the browser has forgotten them.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (!entries.some(({ isDirectory }) => isDirectory)) return [...transfer.files];
  return (await Promise.all(entries.map(filesBelow))).flat();
}

async function filesBelow(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: File[] = [];
  // A reader gives some of the entries at a time, and none at the end.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return files;
    files.push(...(await Promise.all(entries.map(filesBelow))).flat());
  }
}

function openCamera({ onPicture }: Calls): void {
  const dialog = byId<HTMLDialogElement>('camera');
  const video = byId<HTMLVideoElement>('camera-video');
  const text = byId('camera-text');
  const take = byId<HTMLButtonElement>('take-picture');
  /** Number of the newest time that the camera was asked for; closing the dialog makes it old. */
  let asked = 0;
  const end = (stream: MediaStream | null) => {
    for (const track of stream?.getTracks() ?? []) track.stop();
  };
  byId('open-camera').addEventListener('click', async () => {
    take.disabled = true;
    text.textContent = 'Asking for the camera …';
    dialog.showModal();
    const number = ++asked;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      // The dialog may have been closed while the browser asked, and opened again.
      if (number !== asked) return end(stream);
      video.srcObject = stream;
      text.textContent = 'The picture stays on this device.';
    } catch (error) {
      if (number !== asked) return;
      const isDenied = error instanceof DOMException && error.name === 'NotAllowedError';
      text.textContent = isDenied
        ? 'The browser was not allowed to use the camera. Allow it in the address bar and open this again.'
        : 'No camera was found.';
    }
  });
  // Before its first frame, the camera's picture has no size.
  video.addEventListener('loadeddata', () => {
    take.disabled = false;
  });
  byId('close-camera').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => {
    asked++;
    end(video.srcObject as MediaStream | null);
    video.srcObject = null;
  });
  take.addEventListener('click', async () => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    const picture = await canvas.convertToBlob();
    dialog.close();
    onPicture(picture, 'camera');
  });
}
