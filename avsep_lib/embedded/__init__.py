"""The embedded dataset: seeded performances, heard through a General-MIDI SoundFont and seen as drawings.

``python -m avsep_lib.embedded --settings settings.json --out DIR --workers N`` writes it; `build.build_dataset` is the
same from Python. Who plays what is decided in `plan`, how it sounds in `melody`, `synth` and `recording`, how it looks
in `drawing`. Everything is a function of `seeds.seed_of`, so the result is the same to the byte for any worker count.
"""
