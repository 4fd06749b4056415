// Small lit spheres: balls and checkpoints.

import {
  GreaterDepth,
  Group,
  Mesh,
  ShaderMaterial,
  SphereGeometry,
  Vector3,
} from "three";
import type { Spot } from "./box";
import type { Rgb } from "./inks";

const VERTEX = `
varying vec3 vNormal;
void main() {
  vNormal = normalMatrix * normal;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;
const FRAGMENT = `
uniform vec3 paint;
uniform float opacity;
varying vec3 vNormal;
void main() {
  vec3 normal = normalize(vNormal);
  float light = dot(normal, normalize(vec3(-0.5, 0.75, 0.6)));
  vec3 shaded = mix(paint * 0.5, paint, smoothstep(-0.7, 0.35, light));
  shaded = mix(shaded, vec3(1.0), 0.7 * smoothstep(0.86, 1.0, light));
  shaded = mix(shaded, paint * 0.35, smoothstep(0.42, 0.0, normal.z) * 0.7);
  gl_FragColor = vec4(shaded, opacity);
}`;

export interface Bead {
  group: Group;
  place(spot: Spot, radius: number): void;
  dispose(): void;
}

const shape = new SphereGeometry(1, 28, 18);

export function bead(colour: Rgb): Bead {
  const group = new Group();
  const materials = [
    { opacity: 0.35, depthFunc: GreaterDepth, transparent: true, depthWrite: false },
    { opacity: 1 },
  ].map(({ opacity, ...look }) => {
    const uniforms = {
      paint: { value: new Vector3(...colour) },
      opacity: { value: opacity },
    };
    return new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms,
      ...look,
    });
  });
  materials.forEach((material, order) => {
    const mesh = new Mesh(shape, material);
    mesh.renderOrder = 20 + order;
    group.add(mesh);
  });
  return {
    group,
    place(spot, radius) {
      group.position.set(...spot);
      group.scale.setScalar(radius);
    },
    dispose() {
      for (const material of materials) material.dispose();
    },
  };
}
