"""Dead letters as an operator handles them: found, shown, sent again."""
