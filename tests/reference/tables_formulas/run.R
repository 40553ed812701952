# What R's model.matrix gives for formulas.txt with patients.csv:  Rscript run.R   (in this folder)
d <- read.csv("patients.csv", stringsAsFactors = TRUE)
con <- file("expected.txt", "w")
for (f in readLines("formulas.txt")) {
  m <- model.matrix(as.formula(f), d); t <- terms(as.formula(f))
  writeLines(c(f, paste(attr(t, "term.labels"), collapse = "|"), paste(colnames(m), collapse = "|"),
    apply(m, 1, function(row) paste(sprintf("%.17g", row), collapse = " "))), con)
}
close(con)
writeLines(R.version.string, "versions.txt")
