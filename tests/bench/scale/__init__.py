"""How pages and lists keep their pace as cases come in: copies, questions, figures."""
