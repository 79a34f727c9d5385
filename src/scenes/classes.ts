/** The kinds of objects in scenes, apart from how they are drawn: a page that explains needs their names alone. */

/** Names of the classes in index order. They differ in shape; colour and texture say nothing of the class. */
export const SCENE_CLASSES = [
  'ring',
  'star',
  'arrow',
  'cross',
  'crescent',
  'heart',
  'key',
  'fish',
  'house',
  'tree',
  'cup',
  'spiral',
] as const;

/** The name of a class of scenes. */
export type SceneClass = (typeof SCENE_CLASSES)[number];
