// What stands on the stage: the land, the tracks, the balls.

import { Mesh, Scene, type ShaderMaterial } from "three";
import { racesOf } from "../view/races";
import { type Balls, ballsOf } from "./balls";
import { makeBase } from "./base";
import type { Inks } from "./inks";
import { landMaterial, setInks, setLevels, setPalette } from "./material";
import { type Eye, sunOf } from "./orbit";
import { Part } from "./shaders";
import { type Relief, reliefOf, wallsOf } from "./relief";

import type { Land, Sight } from "./sight";
import { type Tracks, tracksOf } from "./tracks";

export interface Model {
  scene: Scene;
  raise(land: Land, bold: number[]): void;
  recolour(land: Land, palette: Sight["state"]["colours"], inks: Inks): void;
  // Before each frame: everything where it is seen now.
  // `ratio`: pixels drawn for each of the page's; `coarse`: with fewer triangles.
  pose(sight: Sight, ratio: number, coarse: boolean): void;
}

export function makeModel(): Model {
  const scene = new Scene();
  const land = new Mesh(undefined, landMaterial(Part.Surface));
  const walls = new Mesh(undefined, landMaterial(Part.Wall));
  // What is cut off, seen from above: the surface again, flat at the ceiling.
  const ceiling = new Mesh(undefined, landMaterial(Part.Ceiling));
  const parts = [land, walls, ceiling];
  const materials = parts.map(({ material }) => material);
  let tracks: Tracks | null = null;
  let balls: Balls | null = null;
  let raced: unknown = null;
  let relief: Relief | null = null;
  const base = makeBase();
  for (const part of parts) part.frustumCulled = false;
  scene.add(base.mesh, ...parts);

  const forget = () => {
    for (const each of [tracks, balls]) {
      if (!each) continue;
      scene.remove(each.group);
      each.dispose();
    }
    tracks = balls = raced = null;
  };

  const race = (sight: Sight) => {
    const races = racesOf(sight.plane, sight.state);
    if (races === raced) return;
    if (balls) {
      scene.remove(balls.group);
      balls.dispose();
    }
    balls = races.length > 0 ? ballsOf(races, sight, sight.inks) : null;
    if (balls) scene.add(balls.group);
    raced = races;
  };

  return {
    scene,
    raise(shown, bold) {
      land.geometry.dispose();
      walls.geometry.dispose();
      relief = reliefOf(shown.ground, shown.box);
      land.geometry = ceiling.geometry = relief.geometry;
      ceiling.visible = relief.cut;
      walls.geometry = wallsOf(shown.ground, shown.box);
      for (const material of materials) setLevels(material, shown.scale.levels, bold);
      base.lay(shown.box);
      forget();
    },
    recolour(shown, palette, inks) {
      base.recolour(inks);
      for (const material of materials) {
        setPalette(material, palette);
        setInks(material, inks);
      }
      forget();
      tracks = shown.plane.tracks.length > 0 ? tracksOf(shown, inks) : null;
      if (tracks) scene.add(tracks.group);
    },
    pose(sight, ratio, coarse) {
      race(sight);
      base.pose(sight.eye, ratio);
      if (relief) land.geometry.setIndex(coarse ? relief.coarse : relief.fine);
      light(materials, sight.eye, ratio);
      tracks?.pose(sight.state.checkpoint, sight.eye);
      balls?.pose(sight.state.step, sight.eye);
      for (const each of [tracks, balls]) each?.sharpen(ratio);
    },
  };
}

function light(materials: ShaderMaterial[], eye: Eye, ratio: number) {
  for (const { uniforms } of materials) {
    uniforms["sun"]?.value.set(...sunOf(eye));
    if (uniforms["width"]) uniforms["width"].value = ratio;
  }
}
