# Mixed models for repeated measures of the cervical dystonia trial (109 patients, 5 visits) in nlme.
# Rscript cdystonia_gls.R PATH/TO/shared/data/medicaldata/cdystonia.csv > cdystonia_gls.json
suppressMessages({library(nlme); library(jsonlite)})
all <- read.csv(commandArgs(TRUE)[1])
all$pid <- paste(all$site, all$id)
start <- subset(all, week == 0)
d <- subset(all, week > 0)
d$base <- start$twstrs[match(d$pid, start$pid)]
d$pid <- factor(d$pid); d$w <- factor(d$week); d$treat <- factor(d$treat)
tight <- glsControl(maxIter = 500, msMaxIter = 2000, tolerance = 1e-12, msTol = 1e-14, opt = "nlminb")
fits <- list()
for (method in c("REML", "ML")) for (s in c("us", "ar1", "ar1h", "cs", "csh")) {
  cor <- switch(s, us = corSymm(form = ~ as.integer(w) | pid), ar1 = , ar1h = corAR1(form = ~ as.integer(w) | pid),
                corCompSymm(form = ~ 1 | pid))
  weights <- if (s %in% c("us", "ar1h", "csh")) varIdent(form = ~ 1 | w) else NULL
  g <- gls(twstrs ~ base + treat * w, d, correlation = cor, weights = weights, method = method, control = tight)
  fits[[length(fits) + 1]] <- list(structure = s, reml = method == "REML", deviance = -2 * as.numeric(logLik(g)),
    terms = names(coef(g)), beta = unname(coef(g)), se = unname(sqrt(diag(vcov(g)))), n = g$dims$N)
}
cat(toJSON(list(program = "tests/reference/mixed/cdystonia_gls.R", R = R.version.string,
  versions = list(nlme = as.character(packageVersion("nlme"))), fits = fits), digits = NA, auto_unbox = TRUE, pretty = TRUE))
