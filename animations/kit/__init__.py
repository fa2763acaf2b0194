"""What the scenes of all days share.

scene.py     LectureScene: title, beats, the run's numbers; where to begin
theme.py     colours by role, and the page in points
record.py    what a run measured
typeset.py   words and formulas, set by Typst
network.py   nodes, edges, pulses of light; digits.py puts them together to 784 -> 16 -> 16 -> 10
heatmap.py   pictures made of cells, and their rearrangement; pixels.py: many small pictures at once
graph.py     computation graphs; axes.py: curves of measured values; curve.py: a training curve that draws itself
"""
