"""From narration in Markdown to what a voice is given and what captions show.

A beat's text becomes sentences of atoms (`sentences`); each sentence has a spoken form (`spoken`, which uses
`text`, `numbers`, `lexicon`, `code` and `latex`) and a written form (`written`). `trim` and `loudness` shape what a
voice returns, `words` says when each written word is heard.
"""
