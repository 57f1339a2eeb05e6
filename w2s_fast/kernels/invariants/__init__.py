"""A trial from the few numbers that no rotation changes, at a cost that grows with nothing but the tilted angles.

The four risks of ridgeless fits are invariant under rotations of the rows, and of the directions within each block of a
:class:`~w2s_fast.kernels.trials.Geometry`. What is left is drawn here: some 80 chi and 200 normal variables whatever n,
N and the dimensions are, and O(t^3) work with t tilted angles. ``docs/explanation/invariants.md`` derives every step,
and its lemmas are named in the comments: L1 (Bartlett), L2 (weights first, rows after), L3 (Haar split), L4 (weights on
an isotropic block), L5 and L6 (two Wishart matrices).

"Off the shared block" means on the rows that remain when the first ``shared`` of each group have been rotated away.
There a vector has coordinates on the axes of V_s (the s_i, then t along the target, then ``FRESH`` more as fits single
them out) and on those outside (the q_i, then B1 along the target if the teacher has such a direction, then at most two
more of the teacher's, then u along what nobody sees and e along the noise).
"""
