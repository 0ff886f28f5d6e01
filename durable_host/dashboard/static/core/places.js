// Positions in source files, written from the folder of the app.
import { useSession } from './session.js';

/** A function that shortens `file:line in function`, or a file, if the file is in the folder of the app. */
export function useShortPlace() {
  const folder = useSession().app?.folder;
  return (place) => {
    const isInside = folder && place.startsWith(folder) && /[\\/]/.test(place[folder.length] ?? '');
    return isInside ? place.slice(folder.length + 1) : place;
  };
}
