"""What the scenes of all days share.

scene.py     LectureScene: title, beats, the run's numbers; where to begin
theme.py     colours by role, and the page in points
record.py    what a run measured
typeset.py   words and formulas, set by Typst
network.py   nodes, edges, pulses of light; digits.py puts them together to 784 -> 16 -> 16 -> 10
heatmap.py   pictures made of cells, and their rearrangement; pixels.py: many small pictures at once
graph.py     computation graphs; axes.py: curves of measured values; curve.py: a training curve that draws itself
tokens.py    rows of words in boxes, and bars below them; beams.py: beams between words, as thick as their weights
plane.py     a plane with points, and a line with its normal that swings from one place to another
bowl.py      rings of equal loss, and paths of steps that draw themselves in them
price.py     tilted rings of equal loss, and the circle or diamond of all weights that pay the same: what a penalty does
pulls.py     dots on an axis, and a bar at each for the pull of a loss on it
bend.py      a grid that a map bends, clouds of points and curves that move with it: space as a layer redraws it
window.py    a kernel's window over a picture, grids with readable numbers; stack.py: sheets and stacks of feature maps
alignment.py an attention map with its words: rows are written, columns are read, the colours always 0 to 1
meter.py     a histogram for each layer, and a logarithmic meter on which gradients walk through the layers
trials.py    runs of a search as dots that cast shadows on the axes, and the best so far with what it is worth
steps.py     lines of equal loss of any bowl, narrow or turned, and bars on a logarithmic meter
bars.py      signed bars beside a column of nodes, one for each, that can change in every frame
"""
