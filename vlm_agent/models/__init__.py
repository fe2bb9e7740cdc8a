"""Any Hugging Face vision-language model as a policy."""
